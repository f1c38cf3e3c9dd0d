CREATE VIRTUAL TABLE message_search USING fts5 (text, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2');

CREATE TRIGGER message_search_add AFTER INSERT ON messages
WHEN new.role IN ('user', 'assistant') AND json_valid(new.body) BEGIN
  INSERT INTO message_search (rowid, text)
  SELECT new.seq, substr(found.text, 1, 16384) FROM (
    SELECT CASE json_type(new.body, '$.content')
      WHEN 'text' THEN json_extract(new.body, '$.content')
      WHEN 'array' THEN (SELECT group_concat(json_extract(block.value, '$.text'), char(10)) FROM json_each(new.body, '$.content') AS block)
    END AS text
  ) AS found WHERE found.text <> '';
END;
CREATE TRIGGER message_search_remove AFTER DELETE ON messages BEGIN
  DELETE FROM message_search WHERE rowid = old.seq;
END;

INSERT INTO message_search (rowid, text)
SELECT seq, substr(text, 1, 16384) FROM (
  SELECT seq, CASE json_type(body, '$.content')
    WHEN 'text' THEN json_extract(body, '$.content')
    WHEN 'array' THEN (SELECT group_concat(json_extract(block.value, '$.text'), char(10)) FROM json_each(body, '$.content') AS block)
  END AS text
  FROM messages WHERE role IN ('user', 'assistant') AND json_valid(body)
) WHERE text <> '';
