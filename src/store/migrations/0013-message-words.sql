DROP TRIGGER message_search_add;
DROP TRIGGER message_search_remove;
DROP TABLE message_search;

CREATE VIRTUAL TABLE message_words USING fts5 (words, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');
CREATE TRIGGER message_words_remove AFTER DELETE ON messages BEGIN
  DELETE FROM message_words WHERE rowid = old.seq;
END;
