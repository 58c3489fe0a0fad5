with months as (
    select
        user_id,
        date_trunc('month', booking_date)::date as month,
        account_id,
        currency,
        coalesce(sum(amount) filter (amount > 0), 0)::decimal(18, 2) as income,
        coalesce(sum(-amount) filter (amount < 0), 0)::decimal(18, 2) as spending,
        sum(amount)::decimal(18, 2) as net,
        count(*) as transaction_count
    from {{ ref('fct_transactions') }}
    group by all
)

select
    *,
    (net - lag(net) over (partition by user_id, account_id, currency order by month))::decimal(18, 2) as net_change
from months
order by user_id, month, account_id, currency
