from django.apps import AppConfig


class BooksConfig(AppConfig):
    name = "config.books"
    label = "books"
