package admin

import "testing"

func TestDelivery(t *testing.T) {
	h, _, _ := newTest(t, nil)
	var got Delivery
	wantJSON(t, do(h, request("GET", "/v1/projects/shop/pushes/order-17", "")), &got)
	if n := got.Nodes; got.ID != "order-17" || len(n) != 1 || n[0].Matched != 5 || n[0].Written != 3 || n[0].FirstWrite == nil {
		t.Errorf("%+v", got)
	}
	wantProblem(t, do(h, request("GET", "/v1/projects/shop/pushes/other", "")), 404, codeNotFound, "other")
}
