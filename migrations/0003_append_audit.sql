-- Appends a group to the end of the chain: from head ($1, $2) to head ($3, $4), judged under policy $5 (null for none), at
-- $6. Each further text holds one column, a value to a line, an empty line for none. Returns how many entries it added:
-- none unless head and policy were where the caller believed. The policy's row is locked before the head's, here and
-- everywhere, so that no two transactions wait for each other. A function, because an embedded database would otherwise
-- plan the statement anew for every group, which takes longer than carrying it out.
CREATE FUNCTION "append_audit"(bigint, text, bigint, text, bigint, timestamptz, text, text, text, text, text, text, text, text, text, text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	added integer;
BEGIN
	IF $5 IS NOT NULL THEN
		PERFORM 1 FROM policy WHERE id = 1 AND version = $5 FOR SHARE;
		IF NOT FOUND THEN
			RETURN 0;
		END IF;
	END IF;
	UPDATE audit_head SET seq = $3, hash = $4 WHERE id = 1 AND seq = $1 AND hash = $2;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	INSERT INTO audit_entries (seq, at, prev, hash, kind, request, agent, environment, connection, operation, outcome, body)
	SELECT $1 + link.place, $6, link.prev, link.hash, link.kind, link.request, link.agent, link.environment, link.connection,
		link.operation, link.outcome, link.body
	FROM unnest(
		string_to_array($7, E'\n', ''), string_to_array($8, E'\n', ''), string_to_array($9, E'\n', ''),
		string_to_array($10, E'\n', ''), string_to_array($11, E'\n', ''), string_to_array($12, E'\n', ''),
		string_to_array($13, E'\n', ''), string_to_array($14, E'\n', ''), string_to_array($15, E'\n', ''),
		string_to_array($16, E'\n', '')
	) WITH ORDINALITY AS link(prev, hash, kind, request, agent, environment, connection, operation, outcome, body, place);
	GET DIAGNOSTICS added = ROW_COUNT;
	RETURN added;
END
$$;
