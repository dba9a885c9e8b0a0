from django.urls import path

from textbook.views import CreateTransaction

urlpatterns = [path("credit-transactions", CreateTransaction.as_view())]
