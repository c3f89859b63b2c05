/** The painter, in a worker: start, ask, stop. */

export class Engine {
  /**
   * @param page page.json
   * @param told Called with {loading: share} while files come, {difference} of WebGPU from wasm, {ready: runtime}, or
   *   {refused: why}, of WebGPU.
   */
  constructor(page, told) {
    Object.assign(this, { page, told, runtime: "wasm", worker: null, photo: null, sent: null, count: 0, waiting: new Map() });
  }

  /** Chooses "wasm" or "webgpu". What is being painted is given up. */
  use(runtime) {
    if (this.runtime === runtime) return;
    this.stop();
    this.runtime = runtime;
  }

  /** The photo that `paint` paints: an ImageData. */
  setPhoto(photo) {
    this.photo = photo;
  }

  /** Paints the photo, at `side` pixels (short side; 0: its own size). Returns an ImageData. */
  async paint(options, side, report) {
    this.start();
    if (this.sent !== this.photo) {
      this.sent = this.photo;
      this.ask({ kind: "photo", photo: this.photo }).catch(() => {});
    }
    return toImage(await this.ask({ kind: "paint", side, options }, report));
  }

  /** Paints one picture of the camera. */
  async paintFrame(frame, options) {
    this.start();
    return toImage(await this.ask({ kind: "frame", frame, options }, null, [frame.data.buffer]));
  }

  start() {
    if (this.worker) return;
    const worker = (this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
    this.sent = null;
    worker.addEventListener("message", ({ data }) => this.hear(data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.fail(new Error(event.message || "This browser cannot run the painter."));
    });
    this.ask({ kind: "start", page: this.page, runtime: this.runtime }).then(() => this.told({ ready: this.runtime }), (error) => this.failToStart(error));
  }

  ask(message, report = null, transfer = []) {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, report });
      this.worker.postMessage({ ...message, id }, transfer);
    });
  }

  hear({ id, loading, difference, done, total, error, result }) {
    if (loading !== undefined || difference !== undefined) return this.told({ loading, difference });
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    if (done !== undefined) return waiting.report?.(done, total);
    this.waiting.delete(id);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(error));
  }

  /** Gives up what is being painted, which frees its memory; the next painting starts the worker again. */
  stop(reason = new DOMException("stopped", "AbortError")) {
    this.worker?.terminate();
    this.worker = null;
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of waiting) reject(reason);
  }

  /** Without WebGPU it goes on. */
  failToStart(error) {
    if (this.runtime !== "webgpu" || error.name === "AbortError") return this.fail(error);
    this.use("wasm");
    this.told({ refused: error.message });
  }

  fail(error) {
    this.stop(error);
  }
}

const toImage = ({ width, height, data }) => new ImageData(data, width, height);
