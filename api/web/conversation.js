// Asking: the question box, the turns so far, and the one answer that may be under way.

import { ask, mayPass, sendFeedback, wasAborted } from "./api.js";
import { freshConversation, titleFrom } from "./conversations.js";
import { byId } from "./dom.js";
import { inTab } from "./storage.js";
import { Turn } from "./turn.js";
import { count } from "./words.js";

const TURNS_SENT = 10; // earlier turns a follow-up is read in the light of; older ones say little about it
const CURRENT_KEY = "footnote.current"; // of this tab, so that two tabs hold two conversations

/** `kept` are the Conversations; `open` and `titleOf` as for Turn; `answered(answer)` is told of each whole answer. */
export class Conversation {
  #list = byId("conversation");
  #opening = byId("opening");
  #box = byId("question");
  #send = byId("send");
  #stop = byId("stop");
  #fresh = byId("new-conversation");
  #kept;
  #record = freshConversation();
  #turns = []; // those on the page that have ended
  #deleted = new Set(); // ids not to be kept again by an answer that ends late
  #underway = null; // {controller, turn} of the answer being streamed
  #does;
  #answered;

  constructor({ kept, open, titleOf, answered }) {
    this.#kept = kept;
    this.#does = { open, titleOf, rate: sendFeedback, again: (turn) => this.#again(turn), rated: () => this.#keep() };
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
    this.#stop.addEventListener("click", () => this.#underway?.controller.abort());
    this.#fresh.addEventListener("click", () => this.startAfresh());
    addEventListener("pagehide", () => this.#underway && this.#keep([...this.#turns, this.#underway.turn]));
  }

  get id() {
    return this.#record.id;
  }

  focus() {
    this.#box.focus({ preventScroll: true });
  }

  /** Goes on with the conversation this tab had before it was reloaded, if any. */
  restore() {
    const id = inTab.get(CURRENT_KEY);
    if (id) this.show(id);
  }

  /** Shows a conversation that is kept; whether there is one. */
  show(id) {
    const record = this.#kept.get(id);
    if (record === null) return false;
    this.#leave();
    this.#record = record;
    inTab.set(CURRENT_KEY, record.id);
    this.#turns = record.turns.map((turn) => Turn.from(turn, this.#does));
    this.#list.replaceChildren(...this.#turns.map((turn) => turn.element));
    this.#opening.hidden = this.#turns.length > 0;
    this.#fresh.hidden = this.#turns.length === 0;
    this.#turns.at(-1)?.element.scrollIntoView({ block: "start" });
    return true;
  }

  startAfresh() {
    this.#leave();
    this.#record = freshConversation();
    inTab.remove(CURRENT_KEY);
    this.#turns = [];
    this.#list.replaceChildren();
    this.#opening.hidden = false;
    this.#fresh.hidden = true;
    scrollTo(0, 0);
    this.focus();
  }

  /** The conversation has another title now, as it is kept. */
  renamed(id) {
    if (id === this.id) this.#record.title = this.#kept.get(id)?.title ?? this.#record.title;
  }

  /** The conversation is no longer kept. */
  deleted(id) {
    this.#deleted.add(id);
    if (id === this.id) this.startAfresh();
  }

  undeleted(id) {
    this.#deleted.delete(id);
  }

  async ask(question) {
    if (this.#underway) return;
    const turn = new Turn(question, this.#does);
    const controller = new AbortController();
    const record = this.#record;
    this.#opening.hidden = true;
    this.#fresh.hidden = false;
    this.#list.append(turn.element);
    turn.element.scrollIntoView({ block: "start" });

    const messages = this.#messages();
    this.#busy({ controller, turn });
    try {
      for await (const { event, data } of ask(question, messages, controller.signal)) {
        if (event === "passages") turn.showPassages(data.passages);
        if (event === "sentence") turn.addSentence(data.sentence, data.citations);
        if (event === "done") this.#finish(turn, data);
      }
    } catch (error) {
      if (wasAborted(error)) turn.stop();
      else turn.fail(error, mayPass(error));
    } finally {
      if (this.#underway?.turn === turn) this.#busy(null);
    }
    if (record === this.#record) this.#turns.push(turn);
    else record.turns.push(turn.record()); // another conversation is on the page by now; this one keeps its turn
    this.#keep(this.#turns, record);
  }

  #submit() {
    const question = this.#box.value.trim();
    if (question === "" || this.#underway) return;
    this.#box.value = "";
    this.#fit();
    this.ask(question);
  }

  #finish(turn, answer) {
    turn.finish(answer);
    byId("announcer").replaceChildren(answer.abstained
      ? "The documents don't say." : `Answered, with ${count(turn.footnoteCount, "footnote")}.`);
    this.#answered(answer);
  }

  #again(turn) {
    if (this.#underway) return;
    turn.element.remove();
    this.#turns = this.#turns.filter((other) => other !== turn);
    this.focus(); // the button that was pressed is gone with its turn
    this.ask(turn.question);
  }

  #keep(turns = this.#turns, record = this.#record) {
    if (record === this.#record) record.turns = turns.map((turn) => turn.record());
    if (record.turns.length === 0 || this.#deleted.has(record.id)) return;
    record.title ||= titleFrom(record.turns[0].question);
    if (record === this.#record) inTab.set(CURRENT_KEY, record.id);
    this.#kept.save(record);
  }

  #messages() {
    const answered = this.#turns.filter((turn) => turn.text !== ""); // half an answer is something to ask about
    return answered.slice(-TURNS_SENT).flatMap((turn) => [
      { role: "user", content: turn.question },
      { role: "assistant", content: turn.text },
    ]);
  }

  #leave() {
    this.#underway?.controller.abort();
    this.#busy(null);
  }

  #busy(underway) {
    const focused = [this.#send, this.#stop].includes(document.activeElement);
    this.#underway = underway;
    this.#send.hidden = underway !== null;
    this.#stop.hidden = underway === null;
    if (focused) this.#box.focus(); // a button that hides drops the focus on the floor
  }

  /** The box grows with the question, up to the height style.css allows. */
  #fit() {
    this.#box.style.height = "auto";
    this.#box.style.height = `${this.#box.scrollHeight}px`;
  }
}
