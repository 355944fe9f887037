-- Which position comes next in a journal, so that lines which are missing from its middle are
-- noticed; NULL where that was not kept, until the next line is read.

ALTER TABLE journals ADD COLUMN position BIGINT;
