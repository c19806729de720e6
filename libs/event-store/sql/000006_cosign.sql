-- Signatures of witnesses below a checkpoint. The checkpoint itself stays: the new note must begin with the old one.

CREATE FUNCTION es.cosign(p_size bigint, p_note text)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, es AS $$
BEGIN
  UPDATE seal s SET note = p_note WHERE s.size = p_size AND starts_with(p_note, s.note);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the seal of % events is not there, or is not what the note begins with', p_size USING ERRCODE = '22023';
  END IF;
END $$;

REVOKE ALL ON FUNCTION es.cosign FROM PUBLIC;
GRANT EXECUTE ON FUNCTION es.cosign TO kontor_writer;
