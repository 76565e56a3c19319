// Lets a form ask a security key or a passkey (Web Authentication, level 2), as nothing but a script can.
// A form says by data-key what is asked ("create" or "get"), and by data-options the server's challenge.
"use strict";

function bytes(text) {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
}

function text(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (each) => String.fromCharCode(each)).join("");
  return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function asked({ publicKey }) {
  publicKey.challenge = bytes(publicKey.challenge);
  if (publicKey.user) publicKey.user.id = bytes(publicKey.user.id);
  for (const each of [...(publicKey.excludeCredentials || []), ...(publicKey.allowCredentials || [])]) {
    each.id = bytes(each.id);
  }
  return { publicKey };
}

function told(key) {
  const response = {};
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (key.response[part]) response[part] = text(key.response[part]);
  }
  const results = key.getClientExtensionResults();
  return { id: key.id, rawId: text(key.rawId), type: key.type, clientExtensionResults: results, response };
}

for (const form of document.querySelectorAll("form[data-key]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const failed = form.querySelector("[data-failed]");
    failed.hidden = true;
    try {
      const options = asked(JSON.parse(form.dataset.options));
      const key = await navigator.credentials[form.dataset.key](options);
      form.elements.credential.value = JSON.stringify(told(key));
      form.submit();
    } catch {
      failed.hidden = false;
    }
  });
}
