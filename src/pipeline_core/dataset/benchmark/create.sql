-- What is read of a benchmark. A row's seq is the number of its file, times 2^40, and its row or line.
create table files (file bigint, name varchar, unit varchar);
create table read_queries (
    task varchar, published varchar, seq bigint, id varchar, modality varchar, text varchar, picture varchar
);
create table read_candidates (
    pool varchar, seq bigint, id varchar, modality varchar, text varchar, picture varchar
);
create table listed (task varchar, query varchar, candidate varchar, "right" boolean);
create table judgements (task varchar, published varchar, query varchar, candidate varchar, grade bigint);
-- The pool that a task's queries of a published split search; without a file of judgements, what queries list counts.
create table searches (task varchar, published varchar, pool varchar, judged boolean);
create table instructions (collection varchar, asks varchar, finds varchar, text varchar);
create table pictures (picture varchar, sha256 varchar, width integer, height integer, look varchar, fault varchar);
-- What was left out, and whether that is a fault of the row's.
create table faults (place varchar, reason varchar, bad boolean);
create macro place(seq) as (select name || ' ' || unit || ' ' || (seq & 1099511627775) from files where file = seq >> 40);
create macro later(split) as list_position(['train', 'support', 'validation', 'test'], split);
create table prompts (prompt_id varchar, text varchar);
-- Tasks and controls: what a control's queries are called before the name of the whole, and their modality.
create table tasks (
    task_id varchar, task varchar, asks varchar, finds varchar, pool_id varchar, query_prompt_id varchar,
    control varchar, control_of varchar, part varchar, part_modality varchar
);
create table task_pools (pool_id varchar, finds varchar, split varchar, pool varchar);
