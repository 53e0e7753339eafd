// Asks for the server's key.

import { promptWith } from "./credentials.js";
import { byId } from "./dom.js";

/** From now on a request that is refused for want of a key brings up the dialog. */
export function installKeyDialog() {
  const dialog = byId("key-dialog");
  const box = byId("key");
  let answer = null; // what waits for the reader's answer
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    conclude(box.value.trim());
  });
  byId("key-cancel").addEventListener("click", () => conclude(""));
  dialog.addEventListener("cancel", () => conclude("")); // Escape

  function conclude(key) {
    dialog.close();
    box.value = "";
    answer?.(key);
    answer = null;
  }

  promptWith((again) => new Promise((resolve) => {
    answer = resolve;
    byId("key-refused").hidden = !again;
    dialog.showModal();
  }));
}
