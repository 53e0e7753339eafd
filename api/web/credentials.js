// The key of a server that wants one: asked for when a request is refused, kept for this tab, sent with every request.

import { inTab } from "./storage.js";

const KEY = "footnote.key";

let key = inTab.get(KEY) ?? "";
let prompt = async () => ""; // asks the reader; app.js says how
let asking = null; // the prompt that is open: requests refused together wait for the same one
let declined = false; // the reader has been asked and gave none: ask no more of their own accord

/** `ask(again)` resolves to a key, or to "" when the reader gives none; `again` when one was refused. */
export function promptWith(ask) {
  prompt = ask;
}

export const currentKey = () => key;

export function forgetKey() {
  key = "";
  inTab.remove(KEY);
}

/** The reader may be asked again, having asked for that. */
export function allowPrompt() {
  declined = false;
}

/** Another key than `refused`, which the server did not take; "" when there is none. */
export async function keyInsteadOf(refused) {
  if (key !== refused) return key; // given meanwhile
  if (declined) return "";
  asking ??= askFor(refused !== "");
  return asking;
}

async function askFor(again) {
  const given = await prompt(again);
  asking = null;
  if (given === "") {
    declined = true;
    return "";
  }
  key = given;
  inTab.set(KEY, key);
  return key;
}
