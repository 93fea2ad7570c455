package shipping

import "github.com/banyan-tree/banyan/internal/event"

// Topic of the events about one shipment; the aggregate is the shipment's id.
const Topic = "shipping.shipment"

// ShipmentChanged says where a shipment now stands.
type ShipmentChanged struct {
	ShipmentID     string `json:"shipment_id"`
	OrderID        string `json:"order_id"`
	UserID         string `json:"user_id"`
	Carrier        string `json:"carrier,omitempty"`
	TrackingNumber string `json:"tracking_number,omitempty"`
}

// What is published about a shipment.
var (
	ShipmentCreated    = event.Define[ShipmentChanged](Topic, "shipping.shipment_created")
	ShipmentDispatched = event.Define[ShipmentChanged](Topic, "shipping.shipment_dispatched")
	ShipmentDelivered  = event.Define[ShipmentChanged](Topic, "shipping.shipment_delivered")
	ShipmentCancelled  = event.Define[ShipmentChanged](Topic, "shipping.shipment_cancelled")
)

// Events lists what is published.
func Events() []event.Described {
	return []event.Described{ShipmentCreated, ShipmentDispatched, ShipmentDelivered, ShipmentCancelled}
}
