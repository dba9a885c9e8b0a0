// Shows the OpenAPI document. No validator badge: that one would be fetched from outside.
window.addEventListener("DOMContentLoaded", () => {
  const reference = document.getElementById("reference");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const wear = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  wear();
  dark.addEventListener("change", wear);
  window.SwaggerUIBundle({
    url: reference.dataset.schema,
    domNode: reference,
    deepLinking: true,
    displayRequestDuration: true,
    persistAuthorization: false,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
  });
});
