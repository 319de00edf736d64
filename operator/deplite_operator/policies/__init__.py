"""What is true of each kind: pure functions of gathered facts and the time. No client, no kopf, no asyncio here."""
