// A panel that slides over the page from its side: a modal dialog, so the browser holds the focus in it, closes it on
// Escape and gives the focus back.

import { byId } from "./dom.js";

/** The drawer `#NAME-panel` that the button `#NAME-toggle` opens; `onOpen` is called each time. */
export class Drawer {
  #dialog;
  #toggle;

  constructor(name, onOpen) {
    this.#dialog = byId(`${name}-panel`);
    this.#toggle = byId(`${name}-toggle`);
    this.#toggle.addEventListener("click", () => {
      this.open();
      onOpen();
    });
    this.#dialog.querySelector(".drawer-close").addEventListener("click", () => this.close());
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.close(); // beside the leaf, which covers the rest of the dialog
    });
    this.#dialog.addEventListener("close", () => this.#toggle.setAttribute("aria-expanded", "false"));
  }

  get toggle() {
    return this.#toggle;
  }

  open() {
    if (this.#dialog.open) return;
    this.#dialog.showModal();
    this.#toggle.setAttribute("aria-expanded", "true");
  }

  close() {
    this.#dialog.close();
  }

  /** Where the focus goes when what had it is gone. */
  focusClose() {
    this.#dialog.querySelector(".drawer-close").focus();
  }
}
