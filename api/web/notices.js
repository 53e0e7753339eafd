// What went wrong, said where it went wrong.

import { allowPrompt } from "./credentials.js";
import { button, el } from "./dom.js";
import { waitInWords } from "./words.js";

/** An error in words: its title, its detail and, given `retry`, a button that tries again. */
export function problemNotice(error, retry = null, retryLabel = "Try again") {
  const known = typeof error.title === "string";
  const notice = el("div", { class: "notice problem", role: "alert" },
    el("p", { class: "notice-title" }, known ? error.title : "This page ran into a fault of its own"),
    el("p", {}, known ? error.detail : "Reload the page. If it happens again, the browser's console says more."),
    error.retryAfter > 0 && el("p", {}, waitInWords(error.retryAfter)));
  if (!known) console.error(error);
  if (retry && error.status === 401) {
    notice.append(button("Enter a key", "plain", () => {
      allowPrompt();
      retry();
    }));
  } else if (retry) {
    notice.append(button(retryLabel, "plain", () => retry()));
  }
  return notice;
}

/** Something the reader should know that is no error. */
export function notice(text) {
  return el("p", { class: "notice" }, text);
}
