// What went wrong, said where it went wrong.

import { button, el } from "./dom.js";

/** An error in words: its title, its detail and, given `retry`, a button that tries again. */
export function problemNotice(error, retry = null, retryLabel = "Try again") {
  const known = typeof error.title === "string";
  const notice = el("div", { class: "notice problem", role: "alert" },
    el("p", { class: "notice-title" }, known ? error.title : "This page ran into a fault of its own"),
    el("p", {}, known ? error.detail : "Reload the page. If it happens again, the browser's console says more."));
  if (!known) console.error(error);
  if (retry) notice.append(button(retryLabel, "plain", retry));
  return notice;
}

/** Something the reader should know that is no error. */
export function notice(text) {
  return el("p", { class: "notice" }, text);
}
