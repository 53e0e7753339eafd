// What this browser does (light or dark, the key, what it keeps) and what the server runs with.

import { getSettings } from "./api.js";
import { currentKey, forgetKey } from "./credentials.js";
import { button, byId, el } from "./dom.js";
import { Drawer } from "./drawer.js";
import { problemNotice } from "./notices.js";
import { setTheme, theme } from "./theme.js";
import { count, valueInWords } from "./words.js";

export class SettingsPanel {
  #kept;
  #cleared;
  #drawer = new Drawer("settings", () => this.#draw());

  /** `kept` are the Conversations; `cleared(ids)` is told when all are deleted. */
  constructor(kept, cleared) {
    this.#kept = kept;
    this.#cleared = cleared;
    for (const choice of document.querySelectorAll("input[name=theme]")) {
      choice.addEventListener("change", () => setTheme(choice.value));
    }
  }

  async #draw() {
    document.querySelector(`input[name=theme][value=${theme()}]`).checked = true;
    this.#drawKey();
    this.#drawKept();
    try {
      const { settings } = await getSettings();
      byId("settings-problem").replaceChildren();
      byId("settings-list").replaceChildren(...settings.flatMap((setting) => [
        el("dt", {}, el("code", {}, setting.name), el("span", { class: "small" }, setting.description)),
        el("dd", { class: setting.given ? "given" : "" }, valueInWords(setting),
          setting.given && el("span", { class: "unseen" }, ", set here")),
      ]));
    } catch (error) {
      byId("settings-problem").replaceChildren(problemNotice(error, () => this.#draw()));
    }
  }

  #drawKey() {
    const forget = button("Forget it", "plain", () => {
      forgetKey();
      this.#drawKey();
    });
    byId("settings-key").replaceChildren(...(currentKey()
      ? ["A key is sent with every request, until this tab is closed. ", forget] : ["No key is in use."]));
  }

  #drawKept() {
    const list = this.#kept.list();
    const sure = button("Delete all", "plain", () => {
      const really = button("Really delete all", "plain flag", () => {
        this.#kept.clear();
        this.#cleared(list.map((one) => one.id));
        this.#drawKept();
        this.#drawer.focusClose();
      });
      sure.replaceWith(really);
      really.focus();
    });
    byId("settings-kept").replaceChildren(
      list.length === 0 ? "No conversation is kept. " : `${count(list.length, "conversation")}, in this browser only. `,
      ...(list.length > 0 ? [sure] : []));
  }
}
