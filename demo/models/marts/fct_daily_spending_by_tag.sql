with tagged as (
    select user_id, booking_date, currency, amount, unnest(tag_ids) as tag_id
    from {{ ref('fct_transactions') }}
    where amount < 0
)

select
    tagged.user_id,
    tagged.booking_date,
    tagged.tag_id,
    tags.tag_name,
    tagged.currency,
    sum(-tagged.amount)::decimal(18, 2) as spending,
    count(*) as transaction_count
from tagged
inner join {{ ref('stg_tags') }} as tags using (user_id, tag_id)
group by all
order by tagged.user_id, tagged.booking_date, tagged.tag_id, tagged.currency
