// Ours. Starts Swagger UI on the service's own description; no validator badge, which would ask another site for it.
// Where the server wants a key, the one that the page of this tab was given is sent.
const key = sessionStorage.getItem("footnote.key");
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (key) request.headers.Authorization = `Bearer ${key}`;
    return request;
  },
});
