"""The API as an OpenAPI 3.1 document, made from the routes, what their handlers declare, and the
schemas that read request bodies. Nothing of it is written twice, so it can not be out of date."""
