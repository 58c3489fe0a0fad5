select
    id::uuid as tag_id,
    user_id::uuid as user_id,
    name as tag_name,
    colour
from {{ source('household_books', 'tags') }}
