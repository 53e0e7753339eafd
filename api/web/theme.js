// Light, dark, or as the system is. The choice is remembered, and set before the page is first painted.

import { inBrowser } from "./storage.js";

const KEY = "footnote.theme";
const THEMES = ["system", "light", "dark"];

/** "system", "light" or "dark". */
export function theme() {
  const chosen = inBrowser.get(KEY);
  return THEMES.includes(chosen) ? chosen : "system";
}

export function setTheme(name) {
  inBrowser.set(KEY, name);
  apply();
}

function apply() {
  document.documentElement.dataset.theme = theme();
}

apply();
addEventListener("storage", (event) => event.key === KEY && apply()); // chosen in another tab
