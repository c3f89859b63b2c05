/** The button that changes between the light and the dark theme, and the system's. */

import { $, iconUrl } from "./dom.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const NAMES = { auto: "as the system", light: "light", dark: "dark" };
const ICONS = { auto: "theme", light: "sun", dark: "moon" };

export function createTheme(button) {
  const show = (value) => {
    document.documentElement.dataset.theme = value;
    button.setAttribute("aria-label", `Theme: ${NAMES[value]}`);
    button.title = `Theme: ${NAMES[value]}`;
    $("use", button).setAttribute("href", iconUrl(ICONS[value]));
  };
  show(localStorage.getItem("impasto.theme") ?? "auto");
  button.addEventListener("click", () => {
    const value = NEXT[document.documentElement.dataset.theme];
    localStorage.setItem("impasto.theme", value);
    show(value);
  });
}
