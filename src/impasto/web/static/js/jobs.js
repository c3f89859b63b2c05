/** Jobs of the session: followed while they run, also after a reload and those that another tab began. */

import { finished, follow, get as fetchJson, remove } from "./api.js";
import { $, attempt, clock, confirm, download, el, icon, size } from "./dom.js";
import { get, hearTabs, on, set, tellTabs } from "./state.js";

const MOST_STREAMS = 2; // a browser has six connections to a server, for all of its tabs
const followed = new Map(); // job: what ends its stream
const endings = new Map(); // job: functions to call at its end
const KEY = "impasto.dismissed";
const dismissed = new Set(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));

/** Begins to follow a job; the promise has the job as it ended. */
export function track(id) {
  const end = new Promise((done) => endings.set(id, [...(endings.get(id) ?? []), done]));
  tellTabs("jobs");
  loadJobs();
  return end;
}

export const cancel = (job) => attempt(async () => {
  const learned = job.kind === "train" && job.state === "running";
  if (!learned || (await confirm("Cancel the training?", "What it has learned is lost. “Stop and keep it” keeps it.", "Cancel the training"))) await remove(`api/jobs/${job.id}`);
});

export async function loadJobs() {
  const jobs = await attempt(() => fetchJson("api/jobs"));
  if (!jobs) return;
  set("jobs", jobs);
  for (const job of jobs) if (finished(job)) settle(job);
  for (const job of jobs.filter((each) => !finished(each)).slice(0, MOST_STREAMS)) followOne(job.id);
}

async function followOne(id) {
  if (followed.has(id) || followed.size >= MOST_STREAMS || leaves(id)) return;
  const abort = new AbortController();
  followed.set(id, abort);
  try {
    const last = await follow(id, (job) => set("jobs", get("jobs").map((other) => (other.id === id ? job : other))), abort.signal);
    settle(last);
  } catch (error) {
    if (error.name !== "AbortError") set("jobs", get("jobs").filter((job) => job.id !== id)); // the server does not know it any more
  } finally {
    followed.delete(id);
    if (!leaves(id)) loadJobs();
  }
}

/** A tab that nobody sees keeps no connection open, unless it waits for the result: the other tabs need them. */
const leaves = (id) => document.hidden && !endings.has(id);

function seenOrHidden() {
  if (!document.hidden) loadJobs();
  else for (const [id, abort] of followed) if (leaves(id)) abort.abort();
}

function settle(job) {
  for (const done of endings.get(job.id) ?? []) done(job);
  endings.delete(job.id);
}

export function dismiss(id) {
  dismissed.add(id);
  sessionStorage.setItem(KEY, JSON.stringify([...dismissed]));
  set("jobs", [...get("jobs")]);
}

/** The jobs of a kind that were not dismissed, oldest first. */
export const jobsOf = (kind) => get("jobs").filter((job) => job.kind === kind && !dismissed.has(job.id));

/** Keeps one card a job in `host`; a card changes in place, so that focus stays on its buttons. */
export function showCards(host, kind, fill) {
  const cards = new Map();
  const show = () => {
    const jobs = jobsOf(kind);
    for (const [id, card] of cards) if (!jobs.some((job) => job.id === id)) {
      card.remove();
      cards.delete(id);
    }
    for (const job of jobs) {
      const card = cards.get(job.id) ?? host.appendChild(el("article", { class: "job", "data-job": job.id }));
      cards.set(job.id, card);
      if (card.dataset.was !== JSON.stringify(job)) fill(card, job);
      card.dataset.was = JSON.stringify(job);
      card.dataset.state = job.state;
    }
  };
  on("jobs", show);
  show();
}

/** The parts of a card that all jobs have: title, progress and one line; made once. Returns the place for buttons. */
export function basics(card, job, name) {
  if (!card.firstChild)
    card.append(el("p", { class: "job-title" }), el("progress", { "aria-label": name }), el("p", { class: "note line" }), el("div", { class: "row" }),
      el("button", { class: "icon close", onclick: () => (finished(JSON.parse(card.dataset.was)) ? dismiss(job.id) : cancel(JSON.parse(card.dataset.was))) }, icon("close")));
  const [title, bar, line, buttons, close] = [".job-title", "progress", ".line", ".row", ".close"].map((part) => $(part, card));
  title.textContent = stateLine(job, name);
  if (job.total > 0 && job.state !== "queued") {
    bar.max = job.total;
    bar.value = job.done;
  } else bar.removeAttribute("value");
  bar.hidden = finished(job);
  line.textContent = finished(job) ? (job.state === "failed" ? job.message : (job.failures ?? []).map(({ name: file, error }) => `${file}: ${error}`).join("; "))
    : [job.message === job.training?.title ? "" : job.message, job.kind !== "train" && job.state === "running" && job.seconds_left != null ? `about ${clock(job.seconds_left)} left` : ""].filter(Boolean).join(", ");
  line.hidden = !line.textContent;
  close.setAttribute("aria-label", finished(job) ? `Close: ${title.textContent}` : `Cancel: ${name}`);
  return buttons;
}

function stateLine(job, name) {
  if (job.state === "done" && job.results?.length) return named(job.results);
  const verbs = { queued: "waits", done: "done", failed: "failed", cancelled: "cancelled" };
  return job.state === "running" ? `${name} ${job.kind === "train" ? "" : `${job.done}/${job.total}`}`.trim() : `${name}: ${verbs[job.state] ?? job.state}`;
}

const named = (results) => (results.length === 1 ? results[0].name : `${results.length} pictures`);

/** A note about the results; the title of a job that is done names them already. */
export function summary({ state, results }) {
  const [{ width, height }] = results;
  const facts = [state !== "done" && named(results), results.length === 1 && `${width} × ${height}`, size(results.reduce((sum, { bytes }) => sum + bytes, 0))];
  return el("span", { class: "note", text: facts.filter(Boolean).join(", ") });
}

function paintCard(card, job) {
  const buttons = basics(card, job, "Painting");
  if (!finished(job) || buttons.firstChild || !job.results.length) return;
  buttons.append(summary(job),
    job.results.length === 1 ? el("button", { class: "small", onclick: () => download(job.results[0].url, job.results[0].name) }, icon("download"), "Download")
      : el("button", { class: "small", onclick: () => download(`api/jobs/${job.id}/zip`) }, icon("download"), "All as zip"));
}

export function createJobs() {
  showCards($("#jobs"), "paint", paintCard);
  new ResizeObserver(() => document.body.style.setProperty("--jobs", `${$("#jobs").offsetHeight}px`)).observe($("#jobs")); // the panel leaves room
  hearTabs((what) => what === "jobs" && loadJobs());
  document.addEventListener("visibilitychange", seenOrHidden);
  on("jobs", () => {
    const runs = (kind) => get("jobs").some((job) => job.kind === kind && !finished(job));
    $('a[href="#learn"] .dot').hidden = !runs("train");
    $('a[href="#video"] .dot').hidden = !runs("video");
  });
}
