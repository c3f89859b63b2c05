/** Everything that goes to the server or comes from it. No other module calls fetch. */

const LOST = "The server does not answer. Is `impasto serve` still running?";

/** Tells of "lost" when no answer comes. */
export const connection = new EventTarget();

export class ApiError extends Error {
  /** `status` is that of HTTP, or 0 if no answer came. */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Sends a request; an answer that is not a success becomes an ApiError with the server's line. */
export async function send(path, { method = "GET", json, body, signal, type } = {}) {
  const headers = {};
  if (method !== "GET") headers["X-Impasto"] = "1";
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (type) headers["Content-Type"] = type;
  let response;
  try {
    response = await fetch(path, { method, headers, body: json === undefined ? body : JSON.stringify(json), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    connection.dispatchEvent(new Event("lost"));
    throw new ApiError(LOST, 0);
  }
  if (response.ok) return response;
  let text = `${response.status} ${response.statusText}`;
  try {
    text = (await response.json()).error || text;
  } catch {
    // not JSON: the status says it
  }
  throw new ApiError(text, response.status);
}

export const get = async (path, signal) => (await send(path, { signal })).json();
export const post = async (path, json, signal) => (await send(path, { method: "POST", json, signal })).json();
export const remove = (path) => send(path, { method: "DELETE" });
export const patch = async (path, json) => (await send(path, { method: "PATCH", json })).json();
export const picture = async (path, json, signal) => (await send(path, { method: "POST", json, signal })).blob();

/** Sends a form with files; `progress` gets the share that has gone up, 0 to 1. */
export function upload(path, form, progress = () => {}, signal = undefined) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("X-Impasto", "1");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status < 400 && request.response) done(request.response);
      else fail(new ApiError(request.response?.error ?? `${request.status} ${request.statusText}`, request.status));
    });
    request.addEventListener("error", () => fail(new ApiError(LOST, 0)));
    request.addEventListener("abort", () => fail(new DOMException("cancelled", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** The server-sent events of an answer, as `{event, data}`. */
export async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text = (text + value).replaceAll("\r\n", "\n");
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join("\n");
      if (field("data")) yield { event: field("event") || "message", data: JSON.parse(field("data")) };
    }
  }
}

export const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
export const finished = (job) => !["queued", "running"].includes(job.state);

/** Follows a job until it ends; a lost connection is made again. `changed` gets the job on each change. */
export async function follow(id, changed, signal) {
  for (let pause = 0.5; ; pause = Math.min(pause * 2, 5)) {
    let last = null; // one that is cancelled may still add what it has painted: the server ends the stream
    try {
      const response = await send(`api/jobs/${id}/events`, { signal });
      for await (const { data } of eventsOf(response)) {
        pause = 0.5;
        last = data;
        changed(data);
      }
      if (last && finished(last)) return last;
    } catch (error) {
      if (error.name === "AbortError" || error.status === 404) throw error;
    }
    await wait(pause);
  }
}
