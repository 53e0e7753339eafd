// The conversations that this browser keeps: opened, renamed, taken along as Markdown, deleted and brought back.

import { button, byId, download, el, name } from "./dom.js";
import { Drawer } from "./drawer.js";
import { asMarkdown, fileNameOf } from "./export.js";
import { ago, count } from "./words.js";

export class HistoryPanel {
  #kept;
  #conversation;
  #drawer = new Drawer("history", () => this.#draw());

  /** `kept` are the Conversations, `conversation` the one on the page. */
  constructor(kept, conversation) {
    this.#kept = kept;
    this.#conversation = conversation;
    byId("history-new").addEventListener("click", () => {
      this.#drawer.close();
      conversation.startAfresh();
    });
  }

  #draw() {
    const list = this.#kept.list();
    byId("history-list").replaceChildren(...list.map((entry) => this.#entry(entry)));
    byId("history-none").hidden = list.length > 0;
  }

  #entry(entry) {
    const current = entry.id === this.#conversation.id;
    const node = el("li", { class: "entry" });
    const opener = button(name(entry.title), "entry-title", () => this.#open(entry));
    if (current) opener.setAttribute("aria-current", "true");
    const facts = [count(entry.questions, "question"), ago((Date.now() - entry.updated) / 1000)];
    node.append(
      opener,
      el("p", { class: "small" }, [...facts, ...(current ? ["on the page"] : [])].join(" · ")),
      el("p", { class: "entry-actions" },
        this.#action("Rename", entry, () => this.#rename(entry, node)),
        this.#action("Export", entry, () => this.#export(entry)),
        this.#action("Delete", entry, () => this.#delete(entry, node))));
    return node;
  }

  #action(label, entry, act) {
    const node = button(label, "plain", act);
    node.setAttribute("aria-label", `${label}: ${entry.title}`);
    return node;
  }

  #open(entry) {
    if (!this.#conversation.show(entry.id)) {
      this.#draw(); // deleted meanwhile, in another tab
      return;
    }
    this.#drawer.close();
    this.#conversation.focus();
  }

  #rename(entry, node) {
    const box = el("input", { type: "text", class: "text", maxlength: "200", "aria-label": "New title" });
    box.value = entry.title;
    const done = (title) => {
      if (title.trim() !== "") {
        this.#kept.rename(entry.id, title);
        this.#conversation.renamed(entry.id);
      }
      const fresh = this.#entry(this.#kept.list().find((one) => one.id === entry.id) ?? entry);
      node.replaceWith(fresh);
      fresh.querySelector(".entry-title").focus();
    };
    const form = el("form", { class: "entry-form" }, box,
      el("button", { type: "submit", class: "outlined" }, "Save"),
      button("Cancel", "plain", () => done("")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      done(box.value);
    });
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault(); // it ends the renaming, and does not close the drawer
      done("");
    });
    node.replaceChildren(form);
    box.select();
  }

  #export(entry) {
    const conversation = this.#kept.get(entry.id);
    if (conversation) download(fileNameOf(conversation), asMarkdown(conversation));
    else this.#draw();
  }

  #delete(entry, node) {
    const conversation = this.#kept.get(entry.id);
    this.#kept.remove(entry.id);
    this.#conversation.deleted(entry.id);
    const undo = button("Undo", "plain", () => {
      this.#conversation.undeleted(entry.id);
      if (conversation) this.#kept.save(conversation);
      this.#draw();
      byId("history-list").querySelector(".entry-title")?.focus();
    });
    node.replaceChildren(el("p", { class: "small", role: "status" }, "Deleted: ", name(entry.title), ". ", undo));
    undo.focus();
  }
}
