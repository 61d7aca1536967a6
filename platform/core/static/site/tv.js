// The page /tv: signs a person in, asks which television waits with a code, and lets it in or not.
// It calls the same endpoints as any app; nothing here decides anything.
"use strict";

const page = document.getElementById("tv");
const steps = ["sign-in", "second-factor", "enter", "confirm", "approved", "denied"];
const step = (id) => document.getElementById(id);

function show(id) {
  steps.forEach((each) => { step(each).hidden = each !== id; });
  complain("");
  step(id).querySelector("input")?.focus();
}

function complain(message) {
  const problem = document.getElementById("problem");
  problem.textContent = message;
  problem.hidden = !message;
}

async function post(path, data) {
  const csrf = document.cookie.match(/(?:^|; )csrftoken=([^;]*)/);
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrf ? csrf[1] : "" },
    body: JSON.stringify(data),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : {} };
}

function whatIsWrong(body) {
  return body.errors?.[0]?.message || body.detail || page.dataset.failed;
}

function on(id, answer) {
  step(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = step(id).querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    try {
      await answer(Object.fromEntries(new FormData(step(id))), event.submitter?.value);
    } catch {
      complain(page.dataset.failed);
    } finally {
      buttons.forEach((button) => { button.disabled = false; });
    }
  });
}

function goOnAfterSignIn({ status, body }) {
  const pending = (body.data?.flows || []).filter((flow) => flow.is_pending).map((flow) => flow.id);
  if (status === 200 || status === 409) {
    show("enter");
  } else if (pending.includes("mfa_authenticate")) {
    show("second-factor");
  } else {
    complain(pending.includes("verify_email") ? page.dataset.verify : whatIsWrong(body));
  }
}

on("sign-in", async (data) => goOnAfterSignIn(await post("/_allauth/browser/v1/auth/login", data)));
on("second-factor", async (data) => goOnAfterSignIn(await post("/_allauth/browser/v1/auth/2fa/authenticate", data)));

on("enter", async (data) => {
  const { status, body } = await post("/api/v1/tv/code", data);
  if (status !== 200) return complain(whatIsWrong(body));
  show("confirm");
  document.getElementById("name").textContent = body.name;
  const place = document.getElementById("place");
  place.textContent = body.place || place.dataset.unknown;
});

on("confirm", async (_, answer) => {
  const code = step("enter").elements.user_code.value;
  const { status, body } = await post(`/api/v1/tv/${answer}`, { user_code: code });
  if (status >= 300) {
    show("enter");
    return complain(whatIsWrong(body));
  }
  show(answer === "approve" ? "approved" : "denied");
});

show(page.dataset.signedIn === "yes" ? "enter" : "sign-in");
