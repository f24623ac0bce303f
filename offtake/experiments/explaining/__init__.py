"""Why things happened in a run: replayed, watched, and replayed again without one event."""
