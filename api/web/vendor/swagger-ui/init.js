// Ours. Starts Swagger UI on the service's own description; no validator badge, which would ask another site for it.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });
