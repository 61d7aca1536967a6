"""The floor: what every app stands on. It imports no app.

Errors that become answers, ids, money, the clock, the outbox that carries events upwards,
idempotent requests, the API's conventions, places of client addresses, personal data, health.
"""
