// Shows what Tocsin sends while no page of it is open. Answers nothing by itself: a touch opens the page with the button.
"use strict";

const WORDS = {
  en: { take: "I take it", open: "Open" },
  es: { take: "Lo tomo", open: "Abrir" },
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

function read(data) {
  try {
    return data.json();
  } catch {
    return { title: "Tocsin", body: data ? data.text() : "" };
  }
}

self.addEventListener("push", (event) => {
  const said = read(event.data);
  const words = WORDS[said.language] || WORDS.en;
  const isPage = said.kind === "page";
  const open = { action: "open", title: words.open };
  event.waitUntil(
    self.registration.showNotification(said.title || "Tocsin", {
      body: said.body || "",
      tag: said.tag || "tocsin",
      renotify: true,
      requireInteraction: isPage,
      lang: said.language || "en",
      data: { link: said.link || "/" },
      actions: said.link ? (isPage ? [{ action: "take", title: words.take }, open] : [open]) : [],
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.openWindow(event.notification.data.link));
});
