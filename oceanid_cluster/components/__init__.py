"""A folder for each component: ``settings.py`` says what it is, ``component.py`` makes its resources."""
