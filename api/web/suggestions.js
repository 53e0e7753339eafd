// Questions to begin with, made by the service from the documents.

import { getSuggestions, Problem, Unreachable } from "./api.js";
import { button, byId, el } from "./dom.js";

const PATIENCE_MS = 3_000; // what comes later would push away what is being read

/** Shows what the service suggests, if anything, and resolves when that is done. `ask(question)` asks one. */
export async function showSuggestions(ask) {
  const container = byId("suggestions");
  let questions = [];
  try {
    ({ questions } = await getSuggestions(AbortSignal.timeout(PATIENCE_MS)));
  } catch (error) {
    // What stands in the way is said by the index, beside this.
    if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
  }
  container.hidden = questions.length === 0;
  byId("suggestions-list").replaceChildren(...questions.map((question) =>
    el("li", {}, button(question, "suggestion", () => ask(question)))));
}
