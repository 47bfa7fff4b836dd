"""Stand-ins for upstreams that do not answer: of the same shape as the real thing, and marked as stand-ins wherever they show."""
