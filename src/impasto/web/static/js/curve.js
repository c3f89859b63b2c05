/** The objective over the steps of a training, as a line. */

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 120;
const LEFT = 36;
const BOTTOM = 18;

function shape(tag, attributes, text = "") {
  const node = document.createElementNS(SPACE, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

/** A median over a few neighbors, so that single batches do not hide the course. */
export function smooth(points, reach = 2) {
  return points.map(([step], at) => {
    const near = points.slice(Math.max(0, at - reach), at + reach + 1).map(([, value]) => value).sort((one, other) => one - other);
    return [step, near[Math.floor(near.length / 2)]];
  });
}

/** An SVG of `[[step, objective], …]`; the objective is on a logarithmic scale. */
export function curve(points) {
  const good = smooth(points.filter(([, value]) => value > 0 && Number.isFinite(value)));
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": describe(good) });
  if (good.length < 2) {
    svg.append(shape("text", { x: WIDTH / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "The curve begins in a moment"));
    return svg;
  }
  const logs = good.map(([, value]) => Math.log(value));
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const last = good.at(-1)[0] || 1;
  const x = (step) => LEFT + ((step - good[0][0]) / (last - good[0][0] || 1)) * (WIDTH - LEFT - 6);
  const y = (log) => 8 + (1 - (log - low) / (high - low || 1)) * (HEIGHT - BOTTOM - 14);
  const short = (value) => Number(value.toPrecision(2)).toString();
  for (const log of [low, high]) {
    svg.append(shape("line", { x1: LEFT, x2: WIDTH - 6, y1: y(log), y2: y(log), class: "grid" }));
    svg.append(shape("text", { x: LEFT - 6, y: y(log) + 4, "text-anchor": "end" }, short(Math.exp(log))));
  }
  svg.append(shape("polyline", { points: good.map(([step], at) => `${x(step).toFixed(1)},${y(logs[at]).toFixed(1)}`).join(" ") }));
  svg.append(shape("circle", { cx: x(last), cy: y(logs.at(-1)), r: 3 }));
  svg.append(shape("text", { x: LEFT, y: HEIGHT - 3 }, "objective"), shape("text", { x: WIDTH - 6, y: HEIGHT - 3, "text-anchor": "end" }, `step ${last}`));
  return svg;
}

const describe = (points) => (points.length ? `Objective: from ${points[0][1].toPrecision(2)} to ${points.at(-1)[1].toPrecision(2)} at step ${points.at(-1)[0]}` : "Objective: no values yet");
