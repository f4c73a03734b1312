"""The one migration from the TypeScript program: its command, its page (README.md), and the tests of both."""
