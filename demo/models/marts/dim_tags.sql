with used as (
    select user_id, unnest(tag_ids) as tag_id
    from {{ ref('fct_transactions') }}
)

select
    tags.user_id,
    tags.tag_id,
    tags.tag_name,
    tags.colour,
    count(used.tag_id) as transaction_count
from {{ ref('stg_tags') }} as tags
left join used using (user_id, tag_id)
group by all
order by tags.user_id, tags.tag_id
