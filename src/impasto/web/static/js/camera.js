/** The camera's pictures go to the server and come back painted. At most two are on the way; others are left out. */

const HEADER = 16; // bytes: number, rate, latency, dropped
const MOST_AWAY = 2;
const LOST_AFTER = 2000; // ms without an answer
const QUALITY = 0.8;

export class Camera {
  /** Paints onto `canvas`; `told` gets {rate, latency, dropped} or {error} or {state}. */
  constructor(canvas, told) {
    this.canvas = canvas;
    this.told = told;
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
    this.options = null;
    this.running = false;
    this.turn = 0; // counts starts, so that the loop of an earlier one ends
    this.mirror = false;
    this.showsFirst = false; // the camera as it is, until the first painting comes
    this.width = 640;
    this.last = null;
    this.sent = 0;
    this.away = new Map(); // number of a picture that is on the way: when it went
  }

  /** Opens the camera (by device id, or the default) and begins. */
  async start(device = "") {
    this.stop();
    if (!navigator.mediaDevices?.getUserMedia) throw new Error("The browser gives the camera only to localhost and https.");
    this.running = true;
    this.last = null;
    const turn = ++this.turn;
    const video = { width: { ideal: this.width }, frameRate: { ideal: 30 }, ...(device && { deviceId: { exact: device } }) };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      this.running = false;
      throw new Error({ NotAllowedError: "The browser does not allow the camera: allow it in the address bar.", NotFoundError: "There is no camera.", NotReadableError: "Another program uses the camera." }[error.name] ?? error.message);
    }
    if (!this.running || turn !== this.turn) return stopTracks(stream);
    this.stream = this.video.srcObject = stream;
    await this.video.play();
    this.connect();
    this.next(turn);
  }

  connect() {
    const socket = (this.socket = new WebSocket(new URL("api/live", location.href.replace(/^http/, "ws"))));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      this.sent = 0;
      this.away.clear();
      this.tell();
      this.told({ state: "open" });
    });
    socket.addEventListener("message", ({ data }) => this.receive(data));
    socket.addEventListener("close", () => {
      if (this.socket !== socket || !this.running) return;
      this.told({ state: "lost" });
      setTimeout(() => this.running && this.socket === socket && this.connect(), 1000);
    });
  }

  /** Sets {styles, settings, steady}, from the next picture on. */
  setOptions(options) {
    this.options = options;
    this.tell();
  }

  tell() {
    if (this.options && this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(this.options));
  }

  next(turn) {
    if (!this.running || turn !== this.turn) return;
    const again = () => this.next(turn);
    if ("requestVideoFrameCallback" in this.video && !document.hidden) this.video.requestVideoFrameCallback(() => this.capture().finally(again));
    else setTimeout(() => this.capture().finally(again), 33);
  }

  async capture() {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth && this.showsFirst && !this.last) this.draw(this.video, videoWidth, videoHeight, this.mirror);
    if (!videoWidth || this.socket?.readyState !== WebSocket.OPEN || !this.options) return;
    const now = performance.now();
    for (const [number, sent] of this.away) if (now - sent > LOST_AFTER) this.away.delete(number);
    if (this.away.size >= MOST_AWAY) return;
    const width = Math.min(this.width, videoWidth);
    const height = Math.round((videoHeight * width) / videoWidth);
    this.grab ??= document.createElement("canvas");
    Object.assign(this.grab, { width, height });
    const context = this.grab.getContext("2d");
    if (this.mirror) context.setTransform(-1, 0, 0, 1, width, 0);
    context.drawImage(this.video, 0, 0, width, height);
    const blob = await new Promise((done) => this.grab.toBlob(done, "image/jpeg", QUALITY));
    if (!blob || this.socket?.readyState !== WebSocket.OPEN) return;
    this.away.set(this.sent++, now);
    this.socket.send(blob);
  }

  async receive(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.error) {
        this.away.clear();
        this.told({ error: message.error });
      }
      return;
    }
    const header = new DataView(data, 0, HEADER);
    const number = header.getUint32(0, true);
    const sent = this.away.get(number);
    for (const other of this.away.keys()) if (other <= number) this.away.delete(other); // overtaken ones never come
    this.last = new Blob([data.slice(HEADER)], { type: "image/jpeg" });
    const bitmap = await createImageBitmap(this.last);
    if (!this.running) return;
    this.draw(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
    const seconds = sent === undefined ? header.getFloat32(8, true) : (performance.now() - sent) / 1000;
    this.told({ rate: header.getFloat32(4, true), latency: seconds, dropped: header.getUint32(12, true), number });
  }

  draw(image, width, height, mirrored = false) {
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.setTransform(mirrored ? -1 : 1, 0, 0, 1, mirrored ? width : 0, 0);
    context.drawImage(image, 0, 0, width, height);
  }

  stop() {
    this.running = false;
    stopTracks(this.stream);
    this.stream = null;
    this.socket?.close();
    this.socket = null;
  }
}

function stopTracks(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
