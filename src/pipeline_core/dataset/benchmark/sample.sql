-- Of the candidates that nobody needs, the first by digest.
create table drawn as
    select pool, split, modality, id from distractors
    qualify row_number() over (
        partition by pool, split, case when not (select mixed from wanted) then modality end
        order by sha256((select key from wanted) || '/' || id), id
    ) <= (select distractors from wanted);
drop table distractors;
alter table drawn rename to distractors;
