// The page /push: asks for permission, subscribes this browser, and tells Tocsin.
"use strict";

const ring = document.getElementById("ring");
const said = document.getElementById("said");

function say(sentence, failed = false) {
  said.textContent = sentence;
  said.className = failed ? "refusal" : "calm";
}

function bytes(base64url) {
  const padded = base64url.replace(/-/g, "+").replace(/_/g, "/").padEnd(Math.ceil(base64url.length / 4) * 4, "=");
  return Uint8Array.from(atob(padded), (each) => each.charCodeAt(0));
}

function isBoundTo(subscription, key) {
  const bound = subscription.options && subscription.options.applicationServerKey;
  if (!bound) return false;
  const other = new Uint8Array(bound);
  return other.length === key.length && other.every((each, at) => each === key[at]);
}

async function subscribed(key) {
  const worker = await navigator.serviceWorker.register("/push-worker.js", { scope: "/push" });
  await navigator.serviceWorker.ready;
  const before = await worker.pushManager.getSubscription();
  if (before && !isBoundTo(before, key)) await before.unsubscribe();
  return worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

async function letItRing() {
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
    throw new Error("This browser cannot ring. On an iPhone or iPad add this page to the home screen and open it there; otherwise the page must be reached by https.");
  }
  if ((await Notification.requestPermission()) !== "granted") {
    throw new Error("The browser does not allow it. Allow notifications for this site in its settings and press again.");
  }
  const subscription = await subscribed(bytes(ring.dataset.key));
  const { c, u, s, form } = ring.dataset;
  const answer = await fetch("/push", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: ring.elements.name.value, subscription: subscription.toJSON(), c, u, s, form }),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told.sentence;
}

ring.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = ring.querySelector("button");
  button.disabled = true;
  say("One moment.");
  try {
    say(await letItRing());
  } catch (error) {
    say(error.message || String(error), true);
  } finally {
    button.disabled = false;
  }
});
