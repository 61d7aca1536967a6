// Confirms a PaymentIntent with the customer present: at Stripe by its library, at the local stand-in over its API.
const client = JSON.parse(document.getElementById("client").textContent);
const said = document.getElementById("said");

async function confirmAtStripe() {
  const stripe = Stripe(client.publishable_key);
  const { error } = await stripe.confirmCardPayment(client.client_secret, { payment_method: client.payment_method });
  if (error) throw new Error(error.message);
}

async function confirmAtStandin() {
  const intent = client.client_secret.split("_secret_")[0];
  const answer = await fetch(`${client.api_base}/v1/payment_intents/${intent}/confirm`, {
    method: "POST",
    headers: { Authorization: `Bearer ${client.publishable_key}` },
    body: new URLSearchParams({
      client_secret: client.client_secret, payment_method: client.payment_method, return_url: location.href,
    }),
  });
  const intentNow = await answer.json();
  if (!answer.ok) throw new Error(intentNow.error.message);
  const bank = intentNow.next_action && intentNow.next_action.redirect_to_url;
  if (bank) location = bank.url; else location.reload();
}

document.getElementById("confirm").onclick = async (event) => {
  event.target.disabled = true;
  try {
    await (client.standin ? confirmAtStandin() : confirmAtStripe());
    if (!client.standin) location.reload();
  } catch (error) {
    said.textContent = error.message;
    event.target.disabled = false;
  }
};
