-- The ids of the legal holds of a workspace. Placing one takes a claim under the lock of the head row, so none is placed before
-- the caller's transaction ends. Two statements: the second sees what was placed while the first waited.
CREATE FUNCTION es.still_holds(p_workspace text) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, es AS $$
BEGIN
  PERFORM FROM log_head WHERE log_id = 0 FOR UPDATE;
  RETURN QUERY SELECT h.hold_id FROM legal_hold h WHERE h.workspace = p_workspace ORDER BY h.hold_id;
END $$;

REVOKE ALL ON FUNCTION es.still_holds FROM PUBLIC;
GRANT EXECUTE ON FUNCTION es.still_holds TO kontor_governance;                -- the role that destroys keys
