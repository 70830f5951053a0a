// Passkeys: hand the gateway's question to the browser's authenticator, and its answer back.

const forms = document.querySelectorAll("form[data-passkey]");

async function post(address, content) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(content),
  });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? "It was refused.");
  return answer.status === 204 ? {} : answer.json();
}

async function carryOut(form) {
  const options = await post(form.dataset.options, {});
  if (form.dataset.passkey === "enrol") {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({ publicKey });
    await post(form.action, { credential: credential.toJSON(), label: form.elements.label.value });
    location.reload();
  } else {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const credential = await navigator.credentials.get({ publicKey });
    const answer = await post(form.action, { credential: credential.toJSON(), next: form.elements.next.value });
    location.assign(answer.next);
  }
}

for (const form of forms) {
  form.hidden = !window.PublicKeyCredential?.parseRequestOptionsFromJSON;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = form.querySelector("[role=alert]");
    said.hidden = true;
    try {
      await carryOut(form);
    } catch (error) {
      said.textContent = error.name === "NotAllowedError" ? "No passkey was used." : error.message;
      said.hidden = false;
    }
  });
}
