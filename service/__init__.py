"""ordersync: order events from RabbitMQ into HubSpot's CRM, a receipt for every event."""
