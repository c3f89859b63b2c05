/** Controls of style and settings: label, mix, sliders, colors, seed. Each view has its own set; all show the same values. */

import { $, el, icon, say } from "./dom.js";
import { MOST_STYLES, get, mix, mixes, on, title, toggleInMix, tune } from "./state.js";

const COLORS = [[null, "Painting’s"], ["luminance", "Photo’s"], ["match", "Blend"]];
const COLOR_HELP = "Painting’s: its own colors. Photo’s: each place keeps its color, only lightness is painted. Blend: the painting’s palette is moved to the photo’s.";
const STROKES = { least: -2, most: 2 }; // powers of two
let serial = 0;

/** Puts the controls into `host`, and the wall label into `label`. `parts` leaves some out. */
export function createControls(host, label, parts = {}) {
  parts = { mask: false, seed: true, colors: true, ...parts };
  const id = ++serial;
  const slider = (name, text, attributes) => {
    const output = el("output");
    const input = el("input", { type: "range", id: `${name}-${id}`, "data-setting": name, "aria-label": text, ...attributes });
    return { row: el("label", { class: "field", for: input.id }, text, output, input), input, output };
  };
  const strength = slider("strength", "Strength", { min: 0, max: 2, step: 0.05 });
  const stroke = slider("stroke_size", "Stroke size", { ...STROKES, min: STROKES.least, max: STROKES.most, step: 0.125 });
  strength.input.addEventListener("input", () => tune({ strength: Number(strength.input.value) }));
  stroke.input.addEventListener("input", () => tune({ stroke_size: Number((2 ** stroke.input.value).toFixed(3)) }));

  const shares = el("div", { class: "shares" });
  const adder = el("select", { "aria-label": "Add a style to the mix", "data-setting": "add" });
  adder.addEventListener("change", () => { if (adder.value) toggleInMix(adder.value); });

  const colors = el("fieldset", { class: "field" }, el("legend", { text: "Colors", title: COLOR_HELP }), el("div", { class: "segments wide" },
    ...COLORS.map(([value, text]) => el("label", { title: COLOR_HELP }, el("input", { type: "radio", name: `colors-${id}`, value: value ?? "", "data-setting": "keep_colors", onchange: () => tune({ keep_colors: value }) }), text))));

  const crisp = el("input", { type: "checkbox", "data-setting": "crisp", onchange: () => tune({ crisp: crisp.checked ? null : false }) });
  const seed = el("input", { type: "number", min: 0, max: 999999999, step: 1, "data-setting": "seed", inputmode: "numeric", onchange: () => tune({ seed: Math.min(999999999, Math.max(0, Math.floor(Number(seed.value)) || 0)) }) });
  const dice = el("button", { type: "button", class: "icon", "aria-label": "Another seed", title: "Another seed", onclick: () => tune({ seed: Math.floor(Math.random() * 10000) }) }, icon("dice"));
  const more = el("details", { class: "more" }, el("summary", { text: "More" }),
    el("label", { class: "check" }, crisp, "Crisp strokes on large pictures"),
    el("div", { class: "pair" }, el("label", { class: "field" }, "Seed, for styles with noise", seed), dice));
  const reset = el("button", { type: "button", class: "link reset", text: "Back to the defaults", onclick: () => tune(get("info")?.defaults ?? {}) });

  host.replaceChildren(...[el("div", { class: "mix" }, shares, adder), strength.row, stroke.row, parts.colors && colors, parts.mask && maskRow(), parts.seed && more, reset].filter(Boolean));

  const show = () => {
    const { styles, settings } = get("options");
    wallLabel(label, styles);
    showShares(shares, styles);
    adder.hidden = Object.keys(styles).length >= MOST_STYLES || !Object.keys(styles).every(mixes);
    adder.replaceChildren(el("option", { value: "", text: "Mix in another style…" }),
      ...get("styles").filter(({ name }) => !(name in styles) && mixes(name)).map((style) => el("option", { value: style.name, text: style.title || style.name })));
    assign(strength.input, settings.strength);
    strength.output.textContent = `${Math.round(settings.strength * 100)} %`;
    strength.input.setAttribute("aria-valuetext", strength.output.textContent);
    assign(stroke.input, settings.stroke_size > 0 ? Math.log2(settings.stroke_size) : STROKES.least);
    stroke.output.textContent = settings.stroke_size > 0 ? `${Number(settings.stroke_size.toFixed(2))} ×` : "fine";
    stroke.input.setAttribute("aria-valuetext", stroke.output.textContent);
    for (const radio of host.querySelectorAll(`[name="colors-${id}"]`)) radio.checked = radio.value === (settings.keep_colors ?? "");
    crisp.checked = settings.crisp !== false;
    assign(seed, settings.seed);
    const defaults = get("info")?.defaults ?? settings;
    reset.hidden = Object.keys(defaults).every((key) => defaults[key] === settings[key]);
  };
  on(["options", "styles", "info"], show);
  show();
}

function assign(input, value) {
  if (input.value === "" || Number(input.value) !== value) input.value = value;
  if (input.type === "range") input.style.setProperty("--at", `${((input.value - input.min) / (input.max - input.min)) * 100}%`);
}

function maskRow() {
  return el("div", { class: "field mask-row" }, el("span", { class: "name", text: "Only a part" }),
    el("button", { type: "button", class: "small", id: "brush-open" }, icon("brush"), el("span", { text: "Brush a mask" })));
}

/** As beside a picture in a museum. */
function wallLabel(host, styles) {
  const names = Object.keys(styles);
  const style = get("styles").find(({ name }) => name === names[0]);
  const text = names.length > 1 ? [names.map(title).join(" + "), `A mix of ${names.length} styles`]
    : style ? [style.title || style.name, style.own ? "Learned here" : [style.artist, style.year].filter(Boolean).join(", ")] : ["", ""];
  if (host.dataset.text === text.join("|")) return;
  host.dataset.text = text.join("|");
  host.replaceChildren(el("h2", { text: text[0] }), el("p", { text: text[1] }));
}

/** One slider a style. What one gains, the others lose. */
function showShares(host, styles) {
  const names = Object.keys(styles);
  host.hidden = names.length < 2;
  if (host.hidden) return host.replaceChildren();
  const total = names.reduce((sum, name) => sum + styles[name], 0) || 1;
  const kept = new Map([...host.children].map((row) => [row.dataset.style, row]));
  const rows = names.map((name) => kept.get(name) ?? shareRow(name));
  if (rows.some((row, index) => row !== host.children[index]) || host.children.length !== rows.length) host.replaceChildren(...rows);
  for (const [index, row] of rows.entries()) {
    const percent = Math.round((styles[names[index]] / total) * 100);
    assign($("input", row), percent);
    $("output", row).textContent = `${percent} %`;
  }
}

function shareRow(name) {
  const input = el("input", { type: "range", min: 0, max: 100, step: 1, id: `share-${++serial}`, "data-share": name, "aria-label": `Share of ${title(name)}`, oninput: () => mix(withShare(get("options").styles, name, input.value / 100)) });
  const out = el("button", { type: "button", class: "icon", "aria-label": `Take ${title(name)} out of the mix`, onclick: () => {
    toggleInMix(name);
    say(`${title(name)} is out of the mix.`);
    $(".shares input")?.focus();
  } }, icon("close"));
  return el("div", { class: "share", "data-style": name }, el("label", { class: "field", for: input.id }, el("span", { text: title(name) }), el("output"), input), out);
}

/** The mix in which one style has this share of the whole, and the others keep their proportions. */
export function withShare(styles, name, share) {
  const rest = Object.entries(styles).filter(([other]) => other !== name);
  const sum = rest.reduce((total, [, value]) => total + value, 0);
  const others = rest.map(([other, value]) => [other, (1 - share) * (sum > 0 ? value / sum : 1 / rest.length)]);
  const all = Object.fromEntries([...others, [name, share]]);
  return Object.fromEntries(Object.keys(styles).map((each) => [each, Number(all[each].toFixed(3))]));
}
