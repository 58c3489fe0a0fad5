select
    accounts.user_id,
    accounts.opened_on,
    accounts.account_id,
    accounts.account_name,
    accounts.kind,
    accounts.currency,
    accounts.closed_on,
    count(transactions.transaction_id) as transaction_count,
    max(transactions.booking_date) as last_booking_date
from {{ ref('stg_accounts') }} as accounts
left join {{ ref('fct_transactions') }} as transactions using (user_id, account_id)
group by all
order by accounts.user_id, accounts.opened_on, accounts.account_id
