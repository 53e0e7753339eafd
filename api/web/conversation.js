// Asking: the question box, the turns so far, and the one answer that may be under way.

import { ask, mayPass, sendFeedback, wasAborted } from "./api.js";
import { byId } from "./dom.js";
import { Turn } from "./turn.js";
import { count } from "./words.js";

const TURNS_SENT = 10; // earlier turns a follow-up is read in the light of; older ones say little about it

/** `open` and `titleOf` as for Turn; `answered(answer)` is told of each whole answer. */
export class Conversation {
  #list = byId("conversation");
  #opening = byId("opening");
  #box = byId("question");
  #send = byId("send");
  #stop = byId("stop");
  #fresh = byId("new-conversation");
  #turns = []; // answered, at least in part
  #underway = null; // AbortController of the answer being streamed
  #forTurns;
  #answered;

  constructor({ open, titleOf, answered }) {
    this.#forTurns = { open, titleOf, rate: sendFeedback };
    this.#answered = answered;
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#box.addEventListener("keydown", (event) => {
      // Enter that picks a word in an input method is not Enter that sends.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#box.addEventListener("input", () => this.#fit());
    this.#stop.addEventListener("click", () => this.#underway?.abort());
    this.#fresh.addEventListener("click", () => this.#startAfresh());
  }

  focus() {
    this.#box.focus();
  }

  #submit() {
    const question = this.#box.value.trim();
    if (question === "" || this.#underway) return;
    this.#box.value = "";
    this.#fit();
    this.#ask(question);
  }

  async #ask(question) {
    const turn = new Turn(question, this.#forTurns);
    this.#opening.hidden = true;
    this.#fresh.hidden = false;
    this.#list.append(turn.element);
    turn.element.scrollIntoView({ block: "start" });

    const controller = new AbortController();
    this.#busy(controller);
    try {
      for await (const { event, data } of ask(question, this.#messages(), controller.signal)) {
        if (event === "passages") turn.showPassages(data.passages);
        if (event === "sentence") turn.addSentence(data.sentence, data.citations);
        if (event === "done") this.#finish(turn, data);
      }
    } catch (error) {
      if (wasAborted(error)) turn.stop();
      else turn.fail(error, mayPass(error) ? () => this.#again(turn) : null);
      // Half an answer is still something to ask about; one that a new conversation has swept away is not.
      if (turn.text !== "" && turn.element.isConnected) this.#turns.push(turn);
    } finally {
      if (this.#underway === controller) this.#busy(null);
    }
  }

  #finish(turn, answer) {
    turn.finish(answer);
    this.#turns.push(turn);
    byId("announcer").replaceChildren(answer.abstained
      ? "The documents don't say." : `Answered, with ${count(turn.footnoteCount, "footnote")}.`);
    this.#answered(answer);
  }

  #again(turn) {
    if (this.#underway) return;
    turn.element.remove();
    this.#turns = this.#turns.filter((other) => other !== turn);
    this.#box.focus(); // the button that was pressed is gone with its turn
    this.#ask(turn.question);
  }

  #messages() {
    return this.#turns.slice(-TURNS_SENT).flatMap((turn) => [
      { role: "user", content: turn.question },
      { role: "assistant", content: turn.text },
    ]);
  }

  #startAfresh() {
    this.#underway?.abort();
    this.#busy(null);
    this.#turns = [];
    this.#list.replaceChildren();
    this.#opening.hidden = false;
    this.#fresh.hidden = true;
    this.#box.focus();
  }

  #busy(controller) {
    const focused = [this.#send, this.#stop].includes(document.activeElement);
    this.#underway = controller;
    this.#send.hidden = controller !== null;
    this.#stop.hidden = controller === null;
    if (focused) this.#box.focus(); // a button that hides drops the focus on the floor
  }

  /** The box grows with the question, up to the height style.css allows. */
  #fit() {
    this.#box.style.height = "auto";
    this.#box.style.height = `${this.#box.scrollHeight}px`;
  }
}
