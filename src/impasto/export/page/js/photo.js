/** Photos come in: chosen, dropped, pasted. They are read upright, in sRGB, on white, and not larger than can be painted. */

/** The most pixels of a painting: of a computer what the network takes at once, of a phone what its memory holds. */
export const MOST_PIXELS = matchMedia("(pointer: coarse)").matches || navigator.deviceMemory < 8 ? 2_000_000 : 4_200_000;

/** Reads a file: {image: ImageData, width, height, was: [width, height] of the file}. */
export async function readPhoto(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file); // turned upright as its metadata says
  } catch {
    throw new Error(`${file.name || "This"} is not a picture that this browser can read.`);
  }
  const share = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)));
  const [width, height] = [bitmap.width, bitmap.height].map((size) => Math.max(1, Math.floor(size * share)));
  const was = [bitmap.width, bitmap.height];
  const image = draw(bitmap, width, height);
  bitmap.close();
  return { image, width, height, was };
}

/** The pixels of something that can be drawn. */
export function draw(source, width, height, mirrored = false) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  if (mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** A file of pixels: "image/png", or "image/jpeg" with a quality. */
export function encode(image, type = "image/png", quality = 0.93) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.convertToBlob({ type, quality });
}

/** Calls `take` with each picture file that is dropped on the page or pasted. */
export function takeFiles(take) {
  const shade = document.querySelector("#dropping");
  const pictures = (list) => [...(list ?? [])].filter((file) => file.type.startsWith("image/"));
  let depth = 0;
  addEventListener("dragenter", () => (shade.hidden = ++depth === 0));
  addEventListener("dragleave", () => (shade.hidden = --depth <= 0));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    shade.hidden = true;
    take(pictures(event.dataTransfer.files)[0] ?? event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const [file] = pictures(event.clipboardData?.files);
    if (file) take(file);
  });
}
