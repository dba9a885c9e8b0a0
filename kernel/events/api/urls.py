"""The addresses of the webhooks API."""

from django.urls import path

from kernel.events.api.views.deliveries import DeliveryViewSet
from kernel.events.api.views.endpoints import EndpointViewSet
from kernel.events.api.views.events import EventTypeViewSet, EventViewSet

ENDPOINT = "v1/webhook-endpoints/<str:endpoint_id>"
DELIVERY = "v1/webhook-deliveries/<str:delivery_id>"

urlpatterns = [
    path("v1/webhook-endpoints", EndpointViewSet.as_view({"get": "list", "post": "create"})),
    path(ENDPOINT, EndpointViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})),
    path(f"{ENDPOINT}/secret", EndpointViewSet.as_view({"get": "secret"})),
    path(f"{ENDPOINT}/secret/previous", EndpointViewSet.as_view({"delete": "drop_previous_secret"})),
    path(f"{ENDPOINT}/rotate-secret", EndpointViewSet.as_view({"post": "rotate_secret"})),
    path(f"{ENDPOINT}/test", EndpointViewSet.as_view({"post": "test"})),
    path(f"{ENDPOINT}/recover", EndpointViewSet.as_view({"post": "recover"})),
    path(f"{ENDPOINT}/stats", EndpointViewSet.as_view({"get": "stats"})),
    path(f"{ENDPOINT}/deliveries", DeliveryViewSet.as_view({"get": "list"})),
    path(DELIVERY, DeliveryViewSet.as_view({"get": "retrieve"})),
    path(f"{DELIVERY}/replay", DeliveryViewSet.as_view({"post": "replay"})),
    path("v1/event-types", EventTypeViewSet.as_view({"get": "list"})),
    path("v1/events", EventViewSet.as_view({"get": "list"})),
    path("v1/events/<str:event_id>", EventViewSet.as_view({"get": "retrieve"})),
]
