-- Links that speak A2A: the conversation as the other agent names it; without one, the request came over a link between gateways.
ALTER TABLE peer_inbox ADD COLUMN context_id TEXT;
-- The task that the other agent has made of a request.
ALTER TABLE peer_outbox ADD COLUMN remote_task TEXT;
