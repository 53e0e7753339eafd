// What went wrong, said where it went wrong.

import { allowPrompt } from "./credentials.js";
import { button, el, name } from "./dom.js";
import { deletionsInWords, moreInWords, waitInWords } from "./words.js";

const VANISHED_NAMED = 5;

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

/** What a rebuild would delete, and a button that has it do so. */
export function deletionsNotice(vanished, confirm) {
  const { title, detail, act } = deletionsInWords(vanished);
  const named = vanished.sources.slice(0, VANISHED_NAMED);
  const more = moreInWords(vanished.count, named.length);
  return el("div", { class: "notice problem", role: "alert" },
    el("p", { class: "notice-title" }, title),
    el("ul", { class: "notice-names" }, ...named.map((source) => el("li", {}, name(source))), more !== "" && el("li", {}, more)),
    el("p", {}, detail),
    button(act, "outlined", () => confirm()));
}

/** Something the reader should know that is no error. */
export function notice(text) {
  return el("p", { class: "notice" }, text);
}
