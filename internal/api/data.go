package api

import (
	"net/http"
)

// dataOperations are the data plane.
var dataOperations = []operation{
	{name: "GetThingShadow", method: http.MethodGet, path: "/things/{thingName}/shadow", errors: usual("MethodNotAllowed", "ResourceNotFound", "UnsupportedDocumentEncoding"), handle: getThingShadow, on: shadowOf},
	// That there is no such thing, for hubs which want one, is not in the model of an
	// update, but AWS documents it.
	{name: "UpdateThingShadow", method: http.MethodPost, path: "/things/{thingName}/shadow", errors: usual("Conflict", "MethodNotAllowed", "RequestEntityTooLarge", "UnsupportedDocumentEncoding", "ResourceNotFound"), handle: updateThingShadow, on: shadowOf},
	{name: "DeleteThingShadow", method: http.MethodDelete, path: "/things/{thingName}/shadow", errors: usual("MethodNotAllowed", "ResourceNotFound", "UnsupportedDocumentEncoding"), handle: deleteThingShadow, on: shadowOf},
	{name: "ListNamedShadowsForThing", method: http.MethodGet, path: "/api/things/shadow/ListNamedShadowsForThing/{thingName}", errors: usual("MethodNotAllowed", "ResourceNotFound"), handle: listNamedShadows},
	{name: "Publish", method: http.MethodPost, errors: few("MethodNotAllowed", "Unauthorized"), handle: publish, on: theTopic},
	{name: "GetRetainedMessage", method: http.MethodGet, errors: usual("MethodNotAllowed", "ResourceNotFound"), handle: getRetained, on: theTopic},
	{name: "ListRetainedMessages", method: http.MethodGet, errors: usual("MethodNotAllowed"), handle: listRetained},
	{name: "DeleteConnection", method: http.MethodDelete, path: "/connections/{clientId}", errors: few("Forbidden", "ResourceNotFound"), handle: deleteConnection, on: func(c *call) []string { return []string{c.path("clientId")} }},
}
