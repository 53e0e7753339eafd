// The lines under an answer: how it was made, whether it is right, and taking it along.

import { button, copyText, dotted, el } from "./dom.js";
import { asPlainText } from "./export.js";
import { modeInWords, notNotedInWords } from "./words.js";

const MAX_COMMENT = 4_000; // characters, as the service takes them
const VERDICTS = [["Yes", "up"], ["No", "down"]];

/** `rating` is the verdict given before, or ""; `rate(verdict, comment)` resolves when the service has noted it. */
export function colophon(question, answer, rating, rate) {
  const copy = button("Copy", "plain", async (node) => {
    const copied = await copyText(asPlainText(question, answer));
    node.replaceChildren(copied ? "Copied" : "The browser does not allow it");
  });
  const { asks, comments } = rater(rating, rate);
  return el("div", { class: "colophon small" },
    el("p", {}, ...dotted([!answer.abstained && modeInWords(answer.mode), `generation ${answer.generation}`])),
    el("div", { class: "colophon-actions" }, asks, copy),
    comments);
}

function rater(rating, rate) {
  const said = el("span", { role: "status" });
  const comments = el("div", { class: "comment" });
  const asks = el("span", { class: "rating", role: "group", "aria-label": "Is this right?" }, "Is this right? ");
  const choices = VERDICTS.map(([label, verdict]) => button(label, "plain", () => give(verdict, "")));
  asks.append(choices[0], " ", choices[1], " ", said);
  mark(rating);
  return { asks, comments };

  function mark(verdict) {
    choices.forEach((choice, at) => choice.setAttribute("aria-pressed", String(VERDICTS[at][1] === verdict)));
  }

  /** Whether it was noted. */
  async function give(verdict, comment) {
    try {
      await rate(verdict, comment);
    } catch (error) {
      said.replaceChildren(`Not noted: ${notNotedInWords(error)}`);
      return false;
    }
    mark(verdict);
    said.replaceChildren("Noted, thank you. ");
    if (comment === "") {
      comments.replaceChildren();
      said.append(button("Add a comment", "plain", () => comments.replaceChildren(...form(verdict))));
    }
    return true;
  }

  function form(verdict) {
    const box = el("textarea", { rows: "2", maxlength: String(MAX_COMMENT), "aria-label": "Comment on the answer" });
    const close = () => {
      comments.replaceChildren();
      choices.find((choice) => choice.getAttribute("aria-pressed") === "true").focus();
    };
    const send = button("Send", "outlined", async () => {
      if (box.value.trim() === "" || await give(verdict, box.value.trim())) close();
    });
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      close();
    });
    queueMicrotask(() => { // once it is on the page
      box.focus({ preventScroll: true });
      box.scrollIntoView({ block: "nearest" });
    });
    return [box, send];
  }
}
